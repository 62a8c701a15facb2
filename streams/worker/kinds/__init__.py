"""How each kind of task is carried out, a module a kind."""
