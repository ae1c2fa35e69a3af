"""What serves the requests, by resource. The rules stand in the services; here values change their form."""
