"""Tests of `hongbao top`."""
