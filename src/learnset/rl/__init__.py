"""Agents that learn to act: by policy gradients, by rules, and by learning to learn."""

from ._actor_critic import A2C as A2C, AbstractActorCritic as AbstractActorCritic, PPO as PPO
from ._advantage import advantages as advantages
from ._bandit_rules import (
    AbstractBanditRule as AbstractBanditRule,
    EpsilonGreedy as EpsilonGreedy,
    Gittins as Gittins,
    Greedy as Greedy,
    OptimisticThompsonSampling as OptimisticThompsonSampling,
    ThompsonSampling as ThompsonSampling,
    UCB1 as UCB1,
)
from ._coordinates import (
    CoordinateActorCritic as CoordinateActorCritic,
    MatchingToPlaceDays as MatchingToPlaceDays,
)
from ._distillation import AlgorithmDistillation as AlgorithmDistillation
from ._gittins import gittins_indices as gittins_indices
from ._maml_rl import MAMLPolicy as MAMLPolicy
from ._mdp_rules import (
    EpsilonGreedyPlanner as EpsilonGreedyPlanner,
    OptimisticPosteriorSampling as OptimisticPosteriorSampling,
    PosteriorSampling as PosteriorSampling,
)
from ._objective import Objective as Objective
from ._online import OnlineReinforce as OnlineReinforce
from ._online_descent import OnlineDescent as OnlineDescent
from ._place_actor_critic import PlaceActorCritic as PlaceActorCritic
from ._policy_descent import (
    AbstractPolicyAdapter as AbstractPolicyAdapter,
    PolicyDescent as PolicyDescent,
)
from ._reactive import ReactiveAgent as ReactiveAgent
from ._recurrent import RecurrentAgent as RecurrentAgent
from ._rollout import Rollout as Rollout, rollout as rollout
from ._rules import AtRandom as AtRandom, WinStayLoseShift as WinStayLoseShift
