"""`python3 -m commonweal_operator`: runs the operator until it is told to stop."""

from commonweal_operator.handlers.run import main

if __name__ == "__main__":
    main()
