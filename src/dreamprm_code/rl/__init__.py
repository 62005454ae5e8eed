"""Reinforcement learning with process rewards: rewards from step scores, and the loop that learns from them."""
