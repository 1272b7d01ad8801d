"""Short names still name one observation each."""

from preflare.names import brief, short


def test_a_name_is_its_class_and_when_it_began() -> None:
    assert brief("PF_20140329_140938_3860258481") == "PF 2014-03-29 14:09"
    assert brief("mine") == "mine"


def test_names_stay_unique() -> None:
    names = [
        "PF_20140329_140938_3860258481",
        "PF_20140329_140912_3860258481",
        "AR_20140329_140938_3860258481",
        "AR_20150101_000000_3860258481",
        "AR_20150101_000000_3860258482",
        "NA_20150101_000000_3860258482",
    ]
    assert short(names) == [
        "PF 2014-03-29 14:09:38",
        "PF 2014-03-29 14:09:12",
        "AR 2014-03-29 14:09",
        "AR 2015-01-01 00:00:00 (3860258481)",
        "AR 2015-01-01 00:00:00 (3860258482)",
        "NA 2015-01-01 00:00",
    ]
