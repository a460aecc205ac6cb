"""Agents that learn to act: by gradients of policies, by rules, and by learning to learn."""

from ._actor_critic import A2C as A2C, AbstractActorCritic as AbstractActorCritic, PPO as PPO
from ._advantage import advantages as advantages
from ._recurrent import RecurrentAgent as RecurrentAgent
from ._rollout import Rollout as Rollout, rollout as rollout
from ._rules import AtRandom as AtRandom, WinStayLoseShift as WinStayLoseShift
