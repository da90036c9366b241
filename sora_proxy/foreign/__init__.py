"""How is data from other servers handled safely? Requests to public addresses, and bounds on answers and bodies."""
