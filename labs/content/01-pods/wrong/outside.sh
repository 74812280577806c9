kubectl logs teller | sed -n 's/.*the word is //p' > word
