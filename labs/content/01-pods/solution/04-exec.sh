word=$(kubectl logs teller | sed -n 's/.*the word is //p')
kubectl exec teller -- sh -c "echo $word > /tmp/word"
