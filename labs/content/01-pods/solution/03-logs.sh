word=$(kubectl logs teller | sed -n 's/.*the word is //p')
kubectl annotate pod teller --overwrite word="$word"
