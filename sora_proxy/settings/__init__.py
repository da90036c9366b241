"""What did the operator choose? The options, the kinds of their values, how they are read, and who is let in."""
