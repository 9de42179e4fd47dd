"""One department on several sites: what a person says at one of them holds at all of them."""
