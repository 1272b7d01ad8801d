"""The shipped catalog against the paper's lists, and what a user's own file may and may not say."""

from pathlib import Path

import pytest
from sklearn.model_selection import train_test_split

from preflare.errors import CatalogError
from preflare.sun import catalog
from preflare.sun.observation import Label

HEAD = "number,label,id,onset,peak,end,flare_class,active_region,source,verified\n"
ONE = "PF,20240510_060000_3600000000"


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_the_shipped_catalog_has_the_papers_observations() -> None:
    entries = catalog.read()
    by_label = {label: [entry for entry in entries if entry.label is label] for label in (Label.AR, Label.PF)}
    assert [entry.number for entry in by_label[Label.AR]] == list(range(18))
    assert [entry.number for entry in by_label[Label.PF]] == list(range(19))
    assert len(entries) == 37
    assert entries[18].name == "PF_20140612_110933_3863605329"


def test_every_entry_says_where_it_comes_from() -> None:
    for entry in catalog.read():
        assert entry.source.startswith("observation: ")
        assert ("flare: " in entry.source) == bool(entry.onset)
        assert ("region: " in entry.source) == bool(entry.active_region)
    first = catalog.read()[0]
    assert (first.start.isoformat(), first.obsid) == ("2015-07-28T15:18:49+00:00", "3660109122")


def test_the_order_gives_back_the_authors_split_44() -> None:
    entries = catalog.read()
    held_out = {
        label: sorted(train_test_split([e.id for e in entries if e.label is label], test_size=5, random_state=44)[1])
        for label in (Label.AR, Label.PF)
    }
    assert held_out[Label.AR] == [
        "20141128_210538_3860009154",
        "20150408_045717_3860107054",
        "20150703_165917_3620006130",
        "20150807_221421_3860259180",
        "20150916_181744_3600101141",
    ]
    assert held_out[Label.PF] == [
        "20141026_185250_3864111353",
        "20141027_205655_3864111353",
        "20141109_151704_3860258971",
        "20150311_151947_3860107071",
        "20150622_170003_3660100039",
    ]


def test_onsets_lie_within_a_day_of_the_start_and_none_is_verified() -> None:
    entries = catalog.read()
    known = [entry for entry in entries if entry.onset]
    assert len(known) == 12 and all(entry.label is Label.PF for entry in known)
    for entry in known:
        start = catalog.instant(f"{entry.id[:8]}T{entry.id[9:15]}")
        assert 0 < (catalog.instant(entry.onset) - start).total_seconds() < 86400
        assert entry.flare_class[0] in "MX" and entry.source
    assert not any(entry.verified for entry in entries)
    assert next(e for e in entries if e.id.startswith("20140329_140938")).onset == "2014-03-29T17:35:00.000"


def test_a_file_is_added_and_replaces(tmp_path: Path) -> None:
    text = (
        HEAD
        + f",{ONE},2024-05-10T06:27Z,2024-05-10T06:54,,X3.9,13664,HEK,yes\n"
        + ",PF,20140329_140938_3860258481,2014-03-29T17:35:30,,,X1.0,12017,HEK,yes\n"
    )
    before = catalog.read()
    entries = {entry.id: entry for entry in catalog.read(write(tmp_path / "own.csv", text))}
    assert len(entries) == 38
    new, changed = entries["20240510_060000_3600000000"], entries["20140329_140938_3860258481"]
    assert (new.number, new.onset, new.peak) == (19, "2024-05-10T06:27:00.000", "2024-05-10T06:54:00.000")
    assert (changed.number, changed.onset, changed.verified) == (4, "2014-03-29T17:35:30.000", True)
    same = [entry for entry in before if entry.id != changed.id]
    assert [entries[entry.id] for entry in same] == same


def test_two_columns_are_enough(tmp_path: Path) -> None:
    entries = catalog.read(write(tmp_path / "own.csv", "id,label\n20240510_060000_3600000000,AR\n"))
    assert entries[18].number == 18 and entries[18].label is Label.AR and entries[18].onset == ""


def test_an_observation_may_change_its_class(tmp_path: Path) -> None:
    entries = catalog.read(write(tmp_path / "own.csv", "id,label\n20140329_140938_3860258481,AR\n"))
    assert len(entries) == 37
    assert next(e for e in entries if e.id.startswith("20140329_140938")).number == 18


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; expected label, id and any of .* Let its first line name them"),
        ("id,class\nx,y\n", "has the columns id, class; expected label, id and any of number, onset"),
        ("id,label,label\nx,PF,PF\n", "has the columns id, label, label; expected label, id .*each once"),
        (f"label,id\n{ONE},3\n", "line 2: more or fewer cells"),
        ("label,id\nPF\n", "line 2: more or fewer cells"),
        ("label,id\nXX,20240510_060000_3600000000\n", "label is 'XX', expected AR or PF"),
        ("label,id\nPF,PF_20240510_060000_3600000000\n", "without a prefix"),
        (f"label,id\n{ONE}\n{ONE}\n", "line 3: a second row for 20240510_060000_3600000000, which line 2 has"),
        ("label,id\nPF,20241310_060000_3600000000\n", "which begins with no date and time"),
        (f"label,id,flare_class\n{ONE},Q9\n", "flare_class is 'Q9', expected a GOES class such as M1.8"),
        (f"label,id,flare_class\n{ONE},X-1.0\n", "flare_class is 'X-1.0', expected a GOES class such as M1.8"),
        (f"label,id,onset\n{ONE},2024-05-09T06:27\n", "is before the observation began at 2024-05-10T06:00:00.000"),
        (f"label,id,number\n{ONE},-1\n", "number is '-1'"),
        (f"label,id,number\n{ONE},4\n", "both have the number 4"),
        (f"label,id,verified\n{ONE},maybe\n", "verified is 'maybe', expected yes or no"),
        (f"label,id,onset\n{ONE},tomorrow\n", "onset is 'tomorrow', expected a UTC time"),
        (f"label,id,onset,end\n{ONE},2024-05-10T06:27,2024-05-10T06:20\n", "expected onset <= peak <= end"),
        (f'label,id\n"{ONE}\n', "cannot be read as a CSV file"),
    ],
)
def test_a_catalog_that_cannot_be(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CatalogError, match=message) as caught:
        catalog.read(write(tmp_path / "own.csv", text))
    assert "own.csv" in str(caught.value)


def test_no_catalog(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="There is no catalog at .*own.csv. Correct catalog=FILE."):
        catalog.read(tmp_path / "own.csv")


def test_not_a_text_file(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CatalogError, match="cannot be read as a CSV file"):
        catalog.read(path)
