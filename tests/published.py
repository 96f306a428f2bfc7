"""Small fixtures in the format of the published postcode and map files, with real headers."""

import json
import zipfile
from collections.abc import Iterable
from pathlib import Path

from django.core.management import call_command

from petitions.models import Place, PlaceFile

GORTON, RUSHOLME, YNYS_MON, EDINBURGH = "E14001251", "E14001353", "W07000112", "S14000078"
HEXES = {
    GORTON: {"n": "Gorton and Denton", "q": 53, "r": -27, "region": "E12000002", "colour": "#000"},
    RUSHOLME: {"n": "Manchester Rusholme", "q": 52, "r": -27, "region": "E12000002"},
    YNYS_MON: {"n": "Ynys Môn", "q": 46, "r": -29, "region": "W92000004"},
    EDINBURGH: {"n": "Edinburgh East and Musselburgh", "q": 50, "r": -14, "region": "S92000003"},
}
# Headers as published for August 2026 and for February 2023.
NSPL = (
    "pcd7,pcd8,pcds,dointr,doterm,usrtypind,east1m,north1m,gridind,oa21cd,cty26cd,ced25cd,lad26cd,"
    "wd26cd,nhser24cd,ctry26cd,rgn26cd,pcon24cd,ttwa15cd,itl25cd,npark16cd,lsoa21cd,msoa21cd,"
    "wz11cd,sicbl26cd,bua24cd,ruc21ind,oac21ind,lat,long,lep21cd1,lep21cd2,pfa23cd,imd25ind,icb26cd"
)
ONSPD = (
    "pcd,pcd2,pcds,dointr,doterm,oscty,ced,oslaua,osward,parish,usertype,oseast1m,osnrth1m,"
    "osgrdind,oshlthau,nhser,ctry,rgn,streg,pcon,eer,teclec,ttwa,pct,itl,statsward,oa01,casward,"
    "park,lsoa01,msoa01,ur01ind,oac01,oa11,lsoa11,msoa11,wz11,sicbl,bua11,buasd11,ru11ind,oac11,"
    "lat,long,lep1,lep2,pfa,imd,calncv,icb,oa21,lsoa21,msoa21"
)
# Postcode, month of termination, constituency.
Row = tuple[str, str, str]
ROWS: tuple[Row, ...] = (
    ("M14 5RX", "", RUSHOLME),
    ("M18 7AA", "", GORTON),
    ("M18 8AA", "199606", GORTON),  # no longer in use
    ("LL65 1AA", "", YNYS_MON),
    ("EH8 8DX", "", EDINBURGH),
    ("NPT 0AA", "199708", YNYS_MON),  # how Newport began once
    ("JE2 3AB", "", "L99999999"),  # Jersey
    ("IM1 1AA", "", "M99999999"),  # the Isle of Man
    ("M99 9ZZ", "", ""),  # no place on the map
)


def hexjson(folder: Path, hexes: object = None) -> Path:
    """Write a HexJSON map of constituencies."""
    path = folder / "constituencies.hexjson"
    path.write_text(json.dumps({"layout": "odd-r", "hexes": HEXES if hexes is None else hexes}))
    return path


def import_constituencies(folder: Path) -> None:
    """Put these four in place of the 650 that ship, so that a file of six postcodes is whole."""
    PlaceFile.objects.all().delete()
    Place.objects.constituencies().delete()
    call_command("import_constituencies", hexjson(folder))


def csv_lines(rows: Iterable[Row] = ROWS, header: str = NSPL) -> str:
    """A table of postcodes: quoted as NSPL is, every column filled."""
    names = header.split(",")
    constituency = "pcon24cd" if "pcon24cd" in names else "pcon"
    lines = [header]
    for postcode, ended, code in rows:
        outward, inward = postcode.split()
        told = {
            "pcds": postcode, "pcd": f"{outward:<4}{inward}", "pcd7": f"{outward:<4}{inward}",
            "pcd8": f"{outward:<4} {inward}", "doterm": ended, "dointr": "198001",
            constituency: code,
        }  # fmt: skip
        lines.append(",".join(f'"{told.get(name, "X")}"' for name in names))
    return "\n".join(lines) + "\n"


def postcodes(folder: Path, text: str | None = None, name: str = "NSPL_AUG_2026_UK.csv") -> Path:
    """Write the large CSV alone."""
    path = folder / name
    path.write_text(csv_lines() if text is None else text, encoding="utf-8")
    return path


def postcodes_zip(folder: Path, text: str | None = None, name: str = "NSPL_AUG_2026_UK") -> Path:
    """Write the ZIP download: the CSV, its parts, and tables of names and codes."""
    whole = csv_lines() if text is None else text
    path = folder / f"{name}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("Documents/2026 names and codes.csv", "PCON24CD,PCON24NM\n")
        archive.writestr(f"Data/multi_csv/{name}_EH.csv", csv_lines(ROWS[4:5]))
        archive.writestr(f"Data/{name}.csv", whole)
        archive.writestr("User Guide/guide.pdf", b"%PDF" * 10_000)
    return path
