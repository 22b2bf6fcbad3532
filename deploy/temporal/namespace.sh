#!/bin/sh
# The namespace with a month of retention, and the search attributes by which attempts are found. May run again.
# TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE are read by the program itself.
set -eu
until temporal operator cluster health >/dev/null 2>&1; do sleep 1; done
if temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1; then
    temporal operator namespace update --namespace "$TEMPORAL_NAMESPACE" --retention "$RETENTION"
else
    temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "$RETENTION"
fi
# A new namespace is known to all of the server's parts after some seconds.
tries=60
until have=$(temporal operator search-attribute list --namespace "$TEMPORAL_NAMESPACE"); do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || exit 1
    sleep 1
done
for pair in WorkspaceId=Keyword CampaignId=Keyword ProspectId=Keyword Disposition=Keyword AttemptNumber=Int; do
    if ! printf '%s\n' "$have" | grep -qw "${pair%=*}"; then
        temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE" --name "${pair%=*}" --type "${pair#*=}"
    fi
done
