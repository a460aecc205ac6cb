"""Multi-task and in-context learning as scikit-learn estimators. It needs
`pip install 'learnset[sklearn]'`, and `import learnset` does not load it.

>>> import numpy as np
>>> from learnset.sklearn import MultiTaskRegressor
>>> school = np.repeat(["east", "west"], 50)
>>> x = np.linspace(-1, 1, 100)[:, None]
>>> y = np.where(school == "east", x[:, 0], -x[:, 0])
>>> model = MultiTaskRegressor(steps=300, random_state=0).fit(x, y, task=school)
>>> model.predict([[1.0], [1.0]], task=["east", "west"]).round() + 0
array([ 1., -1.])"""

from ..core import needs

with needs("sklearn"):
    from ._classifier import MultiTaskClassifier as MultiTaskClassifier
    from ._in_context_estimators import (
        InContextClassifier as InContextClassifier,
        InContextRegressor as InContextRegressor,
    )
    from ._regressor import MultiTaskRegressor as MultiTaskRegressor
