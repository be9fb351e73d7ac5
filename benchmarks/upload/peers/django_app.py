"""The Django peer: default upload handlers, FileSystemStorage, no middleware; for gunicorn's threads.

Django spools a file beyond 2.5 MB to a named temporary one, which the storage then moves to its place.
"""

from __future__ import annotations

import tempfile

import submission
from django.conf import settings
from django.core.files.storage import FileSystemStorage
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from pymongo import MongoClient

settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["127.0.0.1"],
    SECRET_KEY="unused",  # noqa: S106  # nothing is signed with it
    MIDDLEWARE=[],
    FILE_UPLOAD_TEMP_DIR=tempfile.gettempdir(),
    USE_TZ=True,
)
_storage = FileSystemStorage(location=submission.MEDIA)
_submissions = MongoClient(submission.MONGO_URI, connect=False)[submission.MONGO_DATABASE]["submissions"]


def healthz(_: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


def submit(request: HttpRequest, section: str) -> JsonResponse:
    try:
        student = submission.student_of(request.headers.get("Authorization"))
        files = []
        for field, upload in request.FILES.items():
            found = submission.media_type(upload.read(submission.HEAD_BYTES))
            upload.seek(0)
            name = _storage.save(submission.new_name(), upload)
            files.append(submission.described(field, name, found, upload.size))
    except submission.Refused as error:
        return JsonResponse({"error": str(error)}, status=400)
    stored = submission.document(section, student, request.POST.dict(), files)
    _submissions.insert_one(stored)
    return JsonResponse(submission.answer(stored), status=201)


urlpatterns = [path("healthz", healthz), path("multilevel/testcheck/<str:section>/", submit)]
application = get_wsgi_application()
