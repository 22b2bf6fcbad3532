"""What the columns of a file mean, by their headers in the languages of the spreadsheets that people export."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType

from dialer.domain.error_files import is_added
from dialer.domain.prospect_rows import FIELDS, OTHER_PHONES, VARIABLES_FIELD

MOST_COLUMNS = 500

OWN_PREFIX = "dialer_"
"""Columns that begin so are what we tell about somebody in a file that we write. A reader ignores them, and those of
a file of errors (``error_files.ADDED_COLUMNS``)."""

VARIABLES_COLUMN = VARIABLES_FIELD
"""The one of them that is read."""

_LONGEST_NAME = 100
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_FEWEST_DIGITS = 7

# Per field, best first: where a file has both ``phone`` and ``number``, ``phone`` is the number to ring.
_SYNONYMS = """
phone: phone phonenumber phoneno phonee164 e164 primaryphone phone1 telephone telephonenumber tel mobilephone mobile
  mobilenumber mobileno cellphone cell cellnumber msisdn contactphone contactnumber whatsapp whatsappnumber homephone
  workphone businessphone telefono numerotelefono numeroditelefono telefonocellulare cellulare telefonomovil movil
  celular numerodetelephone ndetelephone telephoneportable portable mobiltelefon telefon telefonnummer rufnummer handy
  handynummer mobilnummer telefone telemovel telefoon telefoonnummer puhelin puhelinnumero telefonszam numertelefonu
  телефон номертелефона мобильный 電話番号 電話 携帯電話 行動電話 手機 电话 手机 电话号码 전화번호 전화 휴대폰
  τηλέφωνο κινητό טלפון נייד هاتف جوال موبايل phones number numero nummer
extension: extension ext phoneextension phoneext durchwahl interno poste
external_id: externalid externalreference externalref leadid contactid customerid clientid crmid recordid prospectid
  userid uuid idexterno kundennummer idcliente idclient id
name: name fullname contactname customername clientname leadname displayname nome nomecompleto nombre nombrecompleto
  nomcomplet nom vollername naam imie имя фио 氏名 姓名 名前 이름 성명 όνομα שם שםמלא الاسم isim adsoyad
first_name: firstname givenname forename fname first vorname prenom primernombre primeironome voornaam
last_name: lastname surname familyname lname last nachname nomdefamille cognome apellido apellidos sobrenome achternaam
country: country countrycode countryiso isocountry iso iso2 paese nazione pais pays land страна 国家
region: state stateprovince province region statecode provincecode provincia estado bundesland stato regione
postal_code: postalcode postcode zip zipcode codepostal codicepostale codigopostal cap plz postleitzahl cep
time_zone: timezone timezoneid tz tzid tzname ianatimezone fusoorario zonahoraria fuseauhoraire zeitzone fusohorario
  zone
priority: priority prio rank prioritat priorita prioridad priorite prioridade
"""

# A further phone of the same person is taken as one where its header says so: with a number behind these words …
_NUMBERED = """
phone phonenumber phoneno telephone telephonenumber tel mobile mobilephone mobilenumber cell cellphone contactphone
contactnumber altphone alternatephone otherphone telefono numerotelefono cellulare movil celular portable telefon
telefonnummer rufnummer handy handynummer mobilnummer telefone telemovel telefoon telefoonnummer puhelin telefonszam
телефон 電話番号 电话 手机 전화번호
"""

# … or in words.
_COUNTED: Mapping[int, str] = MappingProxyType(
    {
        2: """secondphone secondaryphone secondphonenumber secondaryphonenumber phonesecondary 2ndphone alternatephone
            alternativephone alternatephonenumber alternativephonenumber alternatenumber altphone altphonenumber
            otherphone otherphonenumber additionalphone backupphone secondotelefono telefonosecondario altrotelefono
            segundotelefono otrotelefono telefonoalternativo telefonosecundario deuxiemetelephone autretelephone
            zweitetelefonnummer weiteretelefonnummer alternativetelefonnummer tweedetelefoon outrotelefone""",
        3: "thirdphone thirdphonenumber 3rdphone terzotelefono tercertelefono troisiemetelephone drittetelefonnummer",
        4: "fourthphone fourthphonenumber 4thphone",
        5: "fifthphone fifthphonenumber 5thphone",
    }
)


def fold_header(header: str) -> str:
    """``phonenumber`` for ``Phone Number``, ``phone_number`` or ``PHONE-NUMBER``; accents go, other scripts stay."""
    decomposed = unicodedata.normalize("NFKD", header)
    # The voicing marks of Japanese are combining as well and part of the letter: NFC puts back what belongs.
    plain = "".join(sign for sign in decomposed if not "\u0300" <= sign <= "\u036f")
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFC", plain)).casefold()


def recognised(columns: Sequence[str]) -> dict[str, str]:
    """Field to header, for the headers that we know; of several for one field the best known wins."""
    folded = {fold_header(column): column for column in reversed(columns)}
    found: dict[str, str] = {}
    for field, synonyms in _synonyms().items():
        for synonym in synonyms:
            if synonym in folded:
                found[field] = folded[synonym]
                break
    return found


def is_ours(header: str) -> bool:
    """True for a column that tells what the dialer knows: not a field, and no variable."""
    return header.strip().casefold().startswith(OWN_PREFIX) or is_added(header)


def may_be_variable(name: str) -> bool:
    """True for a variable's name that is a header as well: one that a reader takes for this variable."""
    if not name or len(name) > _LONGEST_NAME or name != name.strip() or _UNFIT.search(name) or is_ours(name):
        return False
    # A header with so many digits looks like the phone number of a file that lacks its header.
    return sum(sign.isdecimal() for sign in name) < _FEWEST_DIGITS


def is_part_of_a_name(header: str) -> bool:
    """True for a column that makes a name where a file has no other: a variable, and a field as well."""
    folded = fold_header(header)
    return any(folded in _synonyms()[field] for field in ("first_name", "last_name"))


@cache
def _synonyms() -> Mapping[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}
    for entry in re.split(r"\n(?=\w)", _SYNONYMS.strip()):
        field, _, words = entry.partition(":")
        table[field] = tuple(fold_header(word) for word in words.split())
    for place, field in enumerate(OTHER_PHONES, start=2):
        numbered = [f"{word}{place}" for word in _NUMBERED.split()]
        table[field] = tuple(fold_header(word) for word in [*numbered, *_COUNTED.get(place, "").split()])
    if set(table) != set(FIELDS):
        raise AssertionError("every field has synonyms")
    return MappingProxyType(table)
