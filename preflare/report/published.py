"""What the paper shows, says and measures, to stand beside ours (Panos, Kleint & Zbinden 2023).

Numbers of figures were read off the plotted points.
"""

from dataclasses import dataclass

# Sect. 6, Fig. 10, the authors' "TSS", which is PPV + NPV - 1: the 45 of 50 splits that they plot, 20 epochs each.
# fmt: off
SPLITS = (
    0.85, 0.85, 0.84, 0.84, 0.83, 0.80, 0.76, 0.75, 0.74, 0.74, 0.72, 0.72, 0.70, 0.70, 0.69, 0.69, 0.67, 0.64, 0.63,
    0.61, 0.60, 0.59, 0.56, 0.56, 0.54, 0.54, 0.53, 0.52, 0.51, 0.48, 0.44, 0.41, 0.41, 0.36, 0.35, 0.33, 0.32, 0.31,
    0.15, 0.12, 0.08, 0.04, -0.11, -0.18, -0.28,
)
# Of the five splits left out the value is not a number: their network calls every spectrum the same, which counts as 0.
SPLITS_DROPPED = 5
# Sect. 7, the same measure: the 47 of 50 runs on split 44 whose figures were kept, checkpoint of the lowest test loss.
SWARM = (
    0.83, 0.84, 0.86, 0.78, 0.83, 0.85, 0.85, 0.83, 0.86, 0.85, 0.85, 0.82, 0.81, 0.83, 0.86, 0.82, 0.82, 0.83, 0.84,
    0.84, 0.81, 0.87, 0.82, 0.82, 0.82, 0.84, 0.83, 0.85, 0.84, 0.78, 0.84, 0.85, 0.85, 0.82, 0.81, 0.83, 0.83, 0.82,
    0.83, 0.81, 0.80, 0.81, 0.85, 0.84, 0.83, 0.82, 0.83,
)
# fmt: on
# The best epochs of those splits, from 0 of 20.
# fmt: off
BEST_EPOCHS = (
    0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 4, 6, 7, 8, 8, 9, 10, 12, 12, 13, 13, 13, 14, 15, 15, 16, 17, 17, 17,
    17, 18, 18, 18, 18, 18, 18, 19, 19, 19, 19,
)
# fmt: on
# Quartiles of the accuracy of those splits, and the smaller two of their test to training spectra.
ACCURACY, RATIO = (0.675, 0.769, 0.852), (0.29, 0.36)
# The split whose network the paper explains, its measure, accuracy and best epoch (from 0).
SPLIT, SPLIT_SCORE, SPLIT_ACCURACY, SPLIT_EPOCH = 44, 0.83, 0.9083, 18
# Sect. 2: spectra, those without values included.
PF_SPECTRA, AR_SPECTRA = 2_352_972, 2_633_950
# Sect. 8.2: slits, over all PF observations, and those whose attribution before the flare is aligned with the flare.
SLITS, SLITS_ALIGNED = 135, 105
# Fig. 14: the mean score that a slit reaches.
SLIT_SCORE = 0.4
# Fig. 17: PF observations whose score rises towards the flare, and all of them.
STRONG, PF_OBSERVATIONS, AR_OBSERVATIONS = 13, 19, 18
# Sect. 8.4: of its PF rasters and sit-and-stares, those that are strong, and all.
STRONG_RASTERS, STRONG_STARES = (10, 12), (3, 7)


@dataclass(frozen=True)
class Shown:
    """A figure. shows: what. claims: those of CLAIMS that it bears out; a drawing has none. missing: what to say where
    it is not drawn."""

    shows: str
    claims: tuple[str, ...] = ()
    missing: str = "not in this report"


@dataclass(frozen=True)
class Said:
    """A claim with a number, or one that a run can test. where: section and figure."""

    where: str
    says: str


CLAIMS = {
    "data": Said("Sect. 2", "19 PF and 18 AR observations give 2.4 and 2.5 million spectra."),
    "overtraining": Said("Sect. 3, Fig. 2", "The test loss rises again after about epoch 50 of 100."),
    "artifact_accuracy": Said("Sect. 4", "A network learns to tell a planted artefact with an accuracy of 100%."),
    "artifact_training": Said("Sect. 4, Fig. 6", "While it trains, its attention gathers on the artefact."),
    "artifact_maps": Said("Sect. 4, Figs. 6 and 9", "Activation maps point at the artefact."),
    "artifact_share": Said("Sect. 5, Figs. 7 and 9", "Many networks together attend more to it than a single one."),
    "artifact_symmetry": Said("Sect. 5, Figs. 7 and 9", "Single networks cover it asymmetrically, many symmetrically."),
    "artifact_residue": Said("Sect. 5, Figs. 7 and 9", "Many networks together leave less residue in the line cores."),
    "well": Said("Sect. 5, Fig. 8", "Networks lie at the rim of one well of the loss, and their mean at its centre."),
    "splits": Said("Sect. 6, Fig. 10", "Skill depends on what is held out: quartiles 0.36, 0.56, 0.72."),
    "split": Said("Sect. 6, Fig. 10", "Split 44 has a skill of 0.83 and an accuracy of 90.83%."),
    "best_epoch": Said("Sect. 6, Fig. 10", "Splits are best at different epochs (quartiles 1, 12, 17 of 20)."),
    "leave_one_out": Said("Sect. 6", "Leaving single observations out makes little difference."),
    "seeds": Said("Sect. 7", "Networks that differ in their seed have the same skill, 0.83 ± 0.02."),
    "nine": Said("Sect. 7.1", "Nine networks of fifty stand for all with little loss."),
    "equivalence": Said("Sect. 7.2, Fig. 11", "Grad-CAM and expected gradients say the same up to a constant."),
    "completeness": Said("Sect. 7.2", "Expected gradients of a spectrum sum to what the network says of it."),
    "samples": Said("Sect. 7.2", "500 samples suffice for expected gradients."),
    "kinds": Said("Sect. 8.1, Figs. 12 and 13", "Triplet emission, flows, broad cores, asymmetry give high scores."),
    "downflows": Said("Sect. 8.1", "Downflows are more common than upflows."),
    "high_scores": Said("Sect. 8.1", "High scores go with triplet emission, broad cores and single peaks."),
    "slit_score": Said("Sect. 8.2, Fig. 14", "The mean score of a slit reaches about 0.4."),
    "aligned": Said(
        "Sect. 8.2, Figs. 14, D.1, D.2",
        "In 105 of 135 slits the highest attribution before the flare is where the flare is brightest.",
    ),
    "quiet_rises": Said("Sect. 8.2, Fig. 14", "Scores rise at places where intensity and X-rays stay flat."),
    "two_lines": Said("Sect. 8.2, Fig. 15", "Attribution follows one line up to some intensity and another above it."),
    "brightness": Said("Sect. 8.2, Fig. 15", "Attribution goes with intensity."),
    "weakly": Said("Sect. 8.2", "Intensity is only weakly encoded in spectra divided by their maximum."),
    "histogram": Said(
        "Sect. 8.3, Fig. 16", "High scores rest on the cores and either side of them, the triplet and metallic lines."
    ),
    "metals": Said("Sect. 8.3, Fig. 16", "Metallic lines are a proxy for the intensity that normalisation takes away."),
    "if_and_when": Said("Sect. 8.4", "Some features say whether a flare comes, others when."),
    "strong": Said("Sect. 8.4, Fig. 17", "13 of 19 PF observations are strong, 6 are weak."),
    "rises": Said("Sect. 8.5, Fig. 17", "Scores of PF rise on the way to the flare, those of AR do not."),
    "forecast": Said("Sect. 9", "Rises of the score within an observation announce flares; its value does not."),
    "feature_maps": Said("App. B", "Feature maps summed without weights resemble the spectrum."),
    "prior": Said("App. C", "An attribution prior fails: it smooths late, or classification diverges."),
}
FIGURES = {
    "1": Shown("how observations were collected"),
    "2": Shown("learning curves of one network of the swarm", ("overtraining",)),
    "3": Shown("the ConvNet"),
    "4": Shown("an example of a convolution"),
    "5": Shown("what each channel answers to a spectrum"),
    "6": Shown("maps of a planted artefact while a network trains", ("artifact_training", "artifact_maps")),
    "7": Shown("maps of two trained networks", ("artifact_symmetry", "artifact_residue")),
    "8": Shown("a well of the loss, networks on its rim", ("well",)),
    "9": Shown("the mean map of many networks", ("artifact_share", "artifact_symmetry", "artifact_residue")),
    "10": Shown("the skill of every split", ("splits", "split", "best_epoch")),
    "11": Shown("a spectrum explained in two ways", ("equivalence",)),
    "12": Shown("spectrograms of different kinds, explained", ("kinds",)),
    "13": Shown("single spectra cut from them", ("kinds",)),
    "14": Shown("a slit: intensity, attribution and score on the way to a flare", ("aligned", "slit_score")),
    "15": Shown("attribution against intensity, two lines", ("two_lines", "brightness")),
    "16": Shown("where attributions are largest, and metallic lines", ("histogram", "metals")),
    "17": Shown("scores of all observations on the way to the flare", ("strong", "rises")),
    "18": Shown("images of the Sun with the raster", missing="needs the real data: images of the Sun"),
    "A.1": Shown("a fully connected network"),
    "A.2": Shown("how Grad-CAM weighs feature maps", ("feature_maps",)),
    "C.1": Shown("ways of expected gradients from baselines to a spectrum", ("completeness",)),
    "D.1": Shown("slits of regions that did not flare"),
    "D.2": Shown("a slit where attribution and flare are apart", ("aligned",)),
}
