"""How the sink writes: a module for each group of the fold's tables, all called inside its one transaction."""
