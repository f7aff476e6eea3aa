"""What members may do: which senders they may use, how much they may send, how many connections they hold."""
