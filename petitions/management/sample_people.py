"""Fictitious people for samples and benchmarks: common names of many scripts, randomly combined.

Given and family names are among the most common of their languages, and addresses are in the
example domains reserved by RFC 2606, so no mail reaches anybody.
"""

from dataclasses import dataclass
from functools import cache
from itertools import accumulate, product
from random import Random
from typing import NamedTuple

DOMAINS = ("example.org", "example.com", "example.net")
# UK postcode areas, to generate well-formed codes.
_POSTCODE_AREAS = ("B", "BS", "BT", "CF", "CV", "EH", "G", "L", "LE", "LS", "M", "NE", "NG", "SA")
_INWARD_LETTERS = "ABDEFGHJLNPQRSTUWXYZ"
COUNTRIES = ("DE", "TR", "FR", "NL", "SE", "US", "IE", "LB", "JO", "CA", "ES", "IT", "AU", "PL")


@dataclass(frozen=True, slots=True)
class People:
    """Names of one script or spelling, their share of signers (a weight), and their language."""

    share: int
    language: str
    given: tuple[str, ...]
    family: tuple[str, ...]
    family_first: bool = False


class Person(NamedTuple):
    """A fictitious person. `handle` is the start of the local part of their address."""

    name: str
    handle: str
    language: str


def _people(share: int, language: str, given: str, family: str, **order: bool) -> People:
    return People(share, language, tuple(given.split()), tuple(family.split()), **order)


PEOPLES = (
    _people(
        42,
        "en",
        "Alice Ben Charlotte Daniel Emily Fiona George Hannah Isla Jack Kate Liam Mary Noah "
        "Olivia Peter Rachel Sam Thomas Zoe",
        "Adams Baker Campbell Davies Edwards Fraser Green Harris Hughes Jackson Kelly Lewis "
        "Martin Murphy O'Brien Smith Taylor Walker Wilson Wright",
    ),
    _people(
        12,
        "en",
        "Ahmad Amal Fatima Hassan Huda Ibrahim Khaled Layla Mariam Mohammed Nour Omar Rana "
        "Salma Samir Yusuf",
        "Abbas al-Ali al-Hamwi al-Khatib Darwish Haddad Hamdan Ibrahim Khalil Mansour Najjar "
        "Qasim Sabbagh Shami",
    ),
    _people(
        14,
        "ar",
        "أحمد أمل إبراهيم حسن خالد رنا سلمى سمير عمر فاطمة ليلى محمد مريم نور هدى يوسف",
        "الأحمد الحسن الحموي الخطيب الشامي الصباغ العلي النجار حداد حمدان خليل درويش قاسم منصور",
    ),
    _people(
        6,
        "cy",
        "Alun Angharad Bronwen Carys Dafydd Eleri Ffion Gareth Gwen Ieuan Llŷr Mair Nia Owain "
        "Rhiannon Siân",
        "Bevan Bowen Davies Evans Griffiths Jenkins Jones Llewellyn Morgan Parry Powell Prys "
        "Rhys Vaughan",
    ),
    _people(
        8,
        "en",
        "Agnieszka Ayşe Björn Chloé Ömer François Łukasz Jürgen José Małgorzata Mehmet Núria "
        "Søren Zoë",
        "Çelik Fernández Garçon Jørgensen Kowalski Lindström Müller Nowak Öztürk Şahin Švec "
        "Wójcik Yıldız Żak",
    ),
    _people(
        4,
        "en",
        "Андрій Богдан Віра Ганна Дмитро Ірина Марія Олена Оксана Петро Софія Тарас",
        "Бондаренко Коваленко Кравчук Лисенко Мельник Олійник Поліщук Савченко Шевченко",
    ),
    _people(
        4,
        "en",
        "Άννα Γιώργος Δημήτρης Ελένη Κώστας Μαρία Νίκος Σοφία",
        "Γεωργίου Δημητρίου Ιωάννου Νικολάου Παπαδόπουλος Χριστοδούλου",
    ),
    _people(
        3, "en", "伟 芳 娜 敏 静 强 磊 洋 艳 杰", "王 李 张 刘 陈 杨 赵 黄 周 吴", family_first=True
    ),
    _people(
        4,
        "en",
        "अनीता अमित कविता दीपक नेहा पूजा राहुल विजय सुनीता संजय",
        "कुमार गुप्ता चौधरी जोशी पटेल मिश्रा यादव वर्मा शर्मा सिंह",
    ),
    _people(
        3, "en", "احمد بلال زینب سعدیہ عائشہ عمران فاروق ناصر", "اقبال بٹ چوہدری خان قریشی ملک"
    ),
)


def crowd(rng: Random, number: int) -> list[Person]:
    """`number` random people, by weight."""
    everybody, shares = _everybody()
    return rng.choices(everybody, cum_weights=shares, k=number)


def postcode(rng: Random) -> str:
    """A random well-formed postcode, without its space. Some may exist."""
    inward = f"{rng.randrange(10)}{rng.choice(_INWARD_LETTERS)}{rng.choice(_INWARD_LETTERS)}"
    return f"{rng.choice(_POSTCODE_AREAS)}{rng.randrange(1, 30)}{inward}"


@cache
def _everybody() -> tuple[list[Person], list[float]]:
    """All combinations of names, and their cumulative weights for `Random.choices`."""
    everybody, shares = [], []
    for people in PEOPLES:
        names = list(product(people.given, people.family))
        everybody += [_person(people, given, family) for given, family in names]
        shares += [people.share / len(names)] * len(names)
    return everybody, list(accumulate(shares))


def _person(people: People, given: str, family: str) -> Person:
    name = f"{family}{given}" if people.family_first else f"{given} {family}"
    handle = given.lower() if given.isascii() else "signer"
    return Person(name, handle, people.language)
