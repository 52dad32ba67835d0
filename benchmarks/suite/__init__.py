"""What runs the benchmarks: peers and their environments, workers, rounds, and the page."""
