"""Commands that show what people did: `hongbao report` and `hongbao year`."""
