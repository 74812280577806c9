word=$(kubectl logs teller | sed -n 's/.*the word is //p')
kubectl delete pod teller --now
kubectl run teller --image=busybox:1.37 --annotations=word="$word" -- sh -c "echo line 71: the word is $word; sleep 1d"
