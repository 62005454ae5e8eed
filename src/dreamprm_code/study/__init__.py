"""What only studies need: problems with known truth, simulated policies, simple readers, the released recipe as comparator."""
