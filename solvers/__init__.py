"""How it is computed: generators from equations, and what is asked of them. Imported as `fokkerplanck.solvers`."""
