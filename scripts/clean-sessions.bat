@echo off
rem The same as clean-sessions.sh, inside the container the server runs in.
if "%VIGIA_CONTAINER%"=="" set VIGIA_CONTAINER=vigia
docker exec -it %VIGIA_CONTAINER% scripts/clean-sessions.sh %*
