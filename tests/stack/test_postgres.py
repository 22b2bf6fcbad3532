"""The embedded PostgreSQL: reachable by password only, and a role that row-level security applies to."""

import os
import stat
from pathlib import Path

import psycopg
import pytest

from dialer.stack import placement
from dialer.stack.placement import Account, PlacementError, data_folder, postgres_account, programs
from dialer.stack.postgres import Cluster, answers
from tests.fixtures_postgres import TestPostgres

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another account")


def modes(path: Path) -> dict[Path, int]:
    return {folder: stat.S_IMODE(folder.stat().st_mode) for folder in (path, *path.parents)}


def test_the_server_is_postgresql_18_and_durable_by_default(postgres: TestPostgres) -> None:
    with psycopg.connect(postgres.admin_url()) as connection:
        version = connection.execute("SHOW server_version_num").fetchone()
        assert version is not None
        assert int(version[0]) >= 180_000
    assert not any("fsync" in part for part in postgres.cluster.command(1))


def test_the_products_role_cannot_step_around_row_level_security(postgres: TestPostgres) -> None:
    name = postgres.create()
    with psycopg.connect(postgres.url(name)) as connection:
        row = connection.execute(
            "SELECT rolsuper, rolbypassrls, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert row == (False, False, False, False)
        connection.execute("CREATE TABLE things (owner text)")
        connection.execute("ALTER TABLE things ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        connection.execute("CREATE POLICY mine ON things USING (owner = 'me')")
        connection.execute("SAVEPOINT before")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("INSERT INTO things VALUES ('you')")
    postgres.drop(name)


def test_nobody_gets_in_without_the_password(postgres: TestPostgres) -> None:
    for user in ("postgres", "dialer"):
        wrong = postgres.cluster.url(postgres.port, user=user, password="wrong")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(wrong)


def test_the_server_listens_on_loopback_only(postgres: TestPostgres) -> None:
    with psycopg.connect(postgres.admin_url()) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
        assert connection.execute("SHOW unix_socket_directories").fetchone() == ("",)


def test_what_is_refused_is_not_logged_with_its_values(postgres: TestPostgres) -> None:
    name = postgres.create()
    with psycopg.connect(postgres.url(name), autocommit=True) as connection:
        connection.execute("CREATE TABLE phones (phone text PRIMARY KEY)")
        connection.execute("INSERT INTO phones VALUES ('+12025550143')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO phones VALUES ('+12025550143')")
    postgres.drop(name)
    assert "phones_pkey" in postgres.log.read_text()
    assert "2025550143" not in postgres.log.read_text()


def test_a_server_that_is_not_there_does_not_answer() -> None:
    assert not answers("postgresql://a:b@127.0.0.1:1/x")


@as_root
def test_as_root_no_folder_above_the_data_changes_its_mode(tmp_path: Path) -> None:
    home = tmp_path / "private"
    home.mkdir(mode=0o700)
    before = modes(home)
    cluster = Cluster.in_home(home, admin_password="x")
    assert modes(home) == before
    assert cluster.data.is_relative_to(placement.SHARED)
    assert stat.S_IMODE(cluster.data.stat().st_mode) == 0o700
    assert cluster.data.stat().st_uid != 0
    again = data_folder(home, cluster.account)
    assert again == cluster.data
    placement.remove_data(home)
    assert not cluster.data.exists()
    assert not (home / "postgres").is_symlink()


@as_root
def test_as_root_the_programs_are_copied_where_the_account_may_read_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is when the project lies in root's home folder, which nobody else may enter."""
    account = postgres_account()
    assert account is not None
    installed = programs(account).parent
    hidden = tmp_path / "site-packages"
    hidden.mkdir(mode=0o700)
    (hidden / "pginstall18").symlink_to(installed)
    reachable = placement.SHARED / f"test-{os.getpid()}"
    monkeypatch.setattr(placement, "SHARED", reachable)
    monkeypatch.setattr(placement, "_packaged_install", lambda: hidden / "pginstall18")
    try:
        found = programs(account)
        assert found.is_relative_to(reachable)
        assert programs(account) == found
        assert stat.S_IMODE(hidden.stat().st_mode) == 0o700
    finally:
        placement.shutil.rmtree(reachable)


@as_root
def test_as_root_data_stay_in_a_home_that_the_account_may_enter() -> None:
    account = postgres_account()
    assert account is not None
    home = placement.SHARED / f"home-{os.getpid()}"
    home.mkdir(mode=0o711, parents=True)
    try:
        assert data_folder(home, account) == home / "postgres"
    finally:
        placement.shutil.rmtree(home)


def test_a_plain_user_keeps_the_data_at_home(tmp_path: Path) -> None:
    assert data_folder(tmp_path, None) == tmp_path / "postgres"
    assert stat.S_IMODE((tmp_path / "postgres").stat().st_mode) == 0o700


def test_data_that_were_moved_away_are_not_replaced_by_empty_ones(tmp_path: Path) -> None:
    (tmp_path / "postgres").symlink_to(tmp_path / "gone")
    with pytest.raises(PlacementError, match="gone"):
        data_folder(tmp_path, Account(name="nobody", uid=65534, gid=65534))
