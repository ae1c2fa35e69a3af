"""The dashboard page and the samples that keep it alive."""
