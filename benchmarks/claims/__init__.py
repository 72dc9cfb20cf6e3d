"""How often something is claimed where nothing is, and found where something is."""
