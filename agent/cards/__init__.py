"""Who is in which reader: the cards, their holders, and every use of them."""
