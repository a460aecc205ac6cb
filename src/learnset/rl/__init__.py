"""Agents that learn to act: by gradients of policies, by rules, and by learning to learn."""

from ._rules import AtRandom as AtRandom, WinStayLoseShift as WinStayLoseShift
