"""For operators: samples of all counters, the status socket, HTTP with metrics and a dashboard."""
