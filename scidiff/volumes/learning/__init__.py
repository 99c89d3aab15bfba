"""What a model of scans learns from: random problems, what is known of their answers, patches of both."""
