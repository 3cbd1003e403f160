"""How ours and theirs are started, role by role, and the stacks made of them."""
