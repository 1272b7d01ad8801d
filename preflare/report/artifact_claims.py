"""What the artefact experiment says of the paper's Sects. 4 and 5: a sentence, and claims as the report lists them."""

from collections.abc import Sequence

from preflare.explain.localisation import MEASURES, Curve
from preflare.report.artifact import CLAIMS, EXPECTED_GRADIENTS, Study, best_map, claim
from preflare.report.section import Claim, judge
from preflare.report.spectra import METHODS


def lead(studies: Sequence[Study]) -> str:
    """What the networks learnt of the first artefact, and where their maps point."""
    first, names = studies[0], ", ".join(one.artifact.replace("_", " ") for one in studies)
    accuracy = first.accuracy["members"]
    said = "; ".join(f"{METHODS[method]} {_hit(first, method):.0%}" for method in first.found["members"])
    return (
        f"Networks learnt to tell spectra from twins with a planted artefact ({names}), and nothing else. On "
        f"{first.artifact.replace('_', ' ')} the median of {accuracy.single.shape[1]} has an accuracy of "
        f"{accuracy.median[0]:.1%}. Their mean map has its maximum at the artefact in this share of spectra: {said}."
    )


def _hit(study: Study, method: str) -> float:
    return float(study.found["members"][method].value[MEASURES.index("hit"), -1])


def claims(study: Study, learnt: tuple[float, float], origin: str) -> list[Claim]:
    """Of the first artefact. learnt: the share inside it at the first look and the last."""
    curve = study.accuracy["members"]
    put_in = f"{study.artifact.replace('_', ' ')} in every second spectrum"
    count = curve.single.shape[1]
    told = [
        Claim(
            "Sect. 4",
            "A network learns to tell a planted artefact with an accuracy of 100%.",
            f"{curve.median[0]:.1%} in the median of {count} networks, {int((curve.single[0] >= 0.99).sum())} of them "
            f"99% or more; all together {curve.value[0, -1]:.1%}.",
            put_in,
            judge(origin, bool(curve.median[0] >= 0.99)),
            "artifact_accuracy",
        ),
        Claim(
            "Sect. 4, Fig. 6",
            "While it trains, its attention gathers on the artefact.",
            f"Of one spectrum's attributions {learnt[0]:.0%} lie inside at the first look, {learnt[1]:.0%} at "
            "the last.",
            put_in,
            judge(origin, learnt[1] > learnt[0]),
            "artifact_training",
        ),
    ]
    hit = MEASURES.index("hit")
    for method, found in study.found["members"].items():
        chance = float(study.chance[method][hit])
        told.append(
            Claim(
                "Sect. 4, Figs. 6 and 9",
                f"{METHODS[method]} points at the artefact.",
                f"The maximum is there in {found.value[hit, 0]:.0%} of spectra for single networks, in "
                f"{_of(found, hit)} for {count} together; by chance in {chance:.0%}.",
                put_in,
                judge(origin, bool(found.low[hit, -1] > chance)),
                "artifact_maps",
            )
        )
    for method in dict.fromkeys((best_map(study), EXPECTED_GRADIENTS)):
        found = study.found["members"][method]
        for measure, more, says in CLAIMS:
            number = MEASURES.index(measure)
            told.append(
                Claim(
                    "Sect. 5, Figs. 7 and 9",
                    f"{says}.",
                    f"{METHODS[method]}: {measure} {found.median[number]:.2f} for the median network, "
                    f"{_of(found, number, False)} for {count} together.",
                    put_in,
                    judge(origin, claim(found, measure, more) == "yes"),
                    f"artifact_{measure}",
                )
            )
    return told


def _of(curve: Curve, number: int, percent: bool = True) -> str:
    """Of all members, with the interval."""
    value, low, high = (float(values[number, -1]) for values in (curve.value, curve.low, curve.high))
    return f"{value:.0%} [{low:.0%}, {high:.0%}]" if percent else f"{value:.2f} [{low:.2f}, {high:.2f}]"
