"""What every service uses: batches, load shedding, events, refusals, outages."""
