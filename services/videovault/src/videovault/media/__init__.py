"""What media files hold, read in processes of limited time and memory.

`calls.MediaWorkers` runs one call on one file, in a worker process that has no database, no settings and no file to write:

| call | gives |
|---|---|
| `probe` | the owned keys of `metadata`, `duration_ms`, `title`, and what is wrong with the file |
| `read_subtitles` | the embedded text subtitles of a stream as WebVTT |
| `convert_subtitles` | a file of text subtitles as WebVTT |
| `draw_thumbnail`, `draw_sprite` | JPEGs: one picture of the film; many, and where they are |

`metadata.streams` is a list of `{index, type, codec, language, title, default, forced}`; of pictures and sound also
`codec_string` (RFC 6381), of sound `channels` and `sample_rate`; of subtitles `text`, false where they are pictures; `cover` is true
for a picture that is no film. What is unknown is left out. `metadata.chapters` is a list of `{start_ms, end_ms, title}`. `read_subtitles` takes the `index` of such a stream.
"""
