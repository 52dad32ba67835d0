"""Many runs at once: over a grid of settings, or over settings drawn at random."""
