"""Who hears of the end? Messages to addresses that came with orders: what is to be sent, and sending it."""
