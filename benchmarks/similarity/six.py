"""The six measures that one pass gives."""

SIX = ("cca", "svcca", "pwcca", "cka", "cka-debiased", "procrustes")
