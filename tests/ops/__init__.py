"""Tests of the operators' side: samples, status socket, HTTP, metrics, dashboard."""
