-- name: group_names
SELECT group_id, name FROM groups WHERE group_id = ANY($1)

-- name: inboxes
SELECT stream_id, last_message FROM streams WHERE stream_id = ANY($1)
