"""The command line: one verb a file, each a `run(config)`; `main` reads what was typed and tells what went wrong."""
