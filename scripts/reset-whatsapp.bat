@echo off
rem The same as reset-whatsapp.sh, inside the container the server runs in.
if "%VIGIA_CONTAINER%"=="" set VIGIA_CONTAINER=vigia
docker exec -it %VIGIA_CONTAINER% scripts/reset-whatsapp.sh %*
