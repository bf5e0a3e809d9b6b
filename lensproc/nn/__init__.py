"""Arrays and networks that several parts share: PSFs, the forward operator, layers."""
