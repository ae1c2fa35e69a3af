"""The commands of `hongbao`."""
