"""The replications that can be run, by name."""

from __future__ import annotations

from tfprune.registry import Registry

#: entries are `Replication`s; packages add theirs by the entry point group of this name
REPLICATIONS = Registry("replication", group="tfprune.replications")
REPLICATIONS.add(
    "renda2020",
    "tfprune.replications.renda2020:RENDA2020",
    "learning-rate rewinding, weight rewinding and fine-tuning, ResNet-20",
)
REPLICATIONS.add(
    "zullich2020",
    "tfprune.replications.zullich2020:ZULLICH2020",
    "similarity of layers over depth, and whether it lies above the seed floor",
)
REPLICATIONS.add(
    "zullich2021",
    "tfprune.replications.zullich2021:ZULLICH2021",
    "whether measures of similarity agree on which layers changed",
)
REPLICATIONS.add(
    "frankle2019",
    "tfprune.replications.frankle2019:FRANKLE2019",
    "winning tickets and their re-initialised twins, Conv-4",
)
REPLICATIONS.add(
    "paul2023",
    "tfprune.replications.paul2023:PAUL2023",
    "whether successive levels are linearly connected, by where they rewind to",
)
REPLICATIONS.add(
    "frankle2020",
    "tfprune.replications.frankle2020:FRANKLE2020",
    "from which step on training is stable to the order of its images",
)
REPLICATIONS.add(
    "liebenwein2021",
    "tfprune.replications.liebenwein2021:LIEBENWEIN2021",
    "whether pruned networks hold up on shifted images as on the test set",
)
REPLICATIONS.add(
    "hooker2019",
    "tfprune.replications.hooker2019:HOOKER2019",
    "which images and classes pruned networks forget",
)
REPLICATIONS.add(
    "frankle2019dissecting",
    "tfprune.replications.frankle2019dissecting:FRANKLE2019DISSECTING",
    "whether units stand for concepts until accuracy falls",
)
REPLICATIONS.add(
    "kaufman2023",
    "tfprune.replications.kaufman2023:KAUFMAN2023",
    "how curved the layers' answers are over depth, trained and untrained",
)
