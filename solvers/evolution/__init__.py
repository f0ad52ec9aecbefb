"""The density in time: exp(Q t) P, coefficients that change, fractional time."""
