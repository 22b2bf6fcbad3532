"""Ports are kept when they are free and move when they are taken."""

import socket

from dialer.stack.ports import PortLease, free_port, is_free


def test_the_port_of_the_last_run_is_used_again() -> None:
    port = free_port()
    with PortLease({"api": port}, wanted={"api"}) as lease:
        assert lease.ports == {"api": port}


def test_a_taken_port_moves() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = listener.getsockname()[1]
        assert not is_free(taken)
        with PortLease({"api": taken}, wanted={"api"}) as lease:
            assert lease.ports["api"] != taken


def test_a_port_taken_on_all_addresses_is_taken() -> None:
    with socket.create_server(("", 0)) as listener:
        assert not is_free(listener.getsockname()[1])


def test_a_port_of_a_run_that_just_ended_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            served, _ = listener.accept()
            served.close()  # the server closes first: its side lingers
    assert is_free(port)


def test_parts_get_different_ports_and_only_those_wanted() -> None:
    port = free_port()
    with PortLease({"api": port, "simulator": port}, wanted={"api", "simulator"}) as lease:
        assert set(lease.ports) == {"api", "simulator"}
        assert len(set(lease.ports.values())) == 2


def test_two_stacks_that_start_together_choose_different_ports() -> None:
    port = free_port()
    with PortLease({"api": port}, wanted={"api"}) as first, PortLease({"api": port}, wanted={"api"}) as second:
        assert first.ports["api"] == port != second.ports["api"]
    with PortLease({"api": port}, wanted={"api"}) as later:
        assert later.ports["api"] == port
